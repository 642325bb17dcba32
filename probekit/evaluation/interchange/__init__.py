"""Other people's folders of videos: reading their names, writing VBench's."""
