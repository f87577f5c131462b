"""Rendered faces with exact Action Unit labels: a face rig, randomised people and looks, and pictures of them."""
