"""Face rigs: ICT-FaceKit, and a small generated head."""
