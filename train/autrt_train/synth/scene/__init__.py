"""Scenes: light, background, occlusion, and the composed picture."""
