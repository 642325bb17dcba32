"""Files with pictures in them: videos and images."""
