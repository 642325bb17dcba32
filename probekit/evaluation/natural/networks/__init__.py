"""The networks of the natural suite, written from their papers; they load the published weights with strict keys."""
