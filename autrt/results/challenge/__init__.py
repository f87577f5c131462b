"""Files for the AU challenge of ABAW out of results: a decision for each of its frames, faces or none."""
