"""Training of temporal networks over the logits and features of labelled videos."""
