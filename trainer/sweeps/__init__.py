"""Tables as sweeps: training runs of every row, their scores, their states, and the tables of what is finished."""
