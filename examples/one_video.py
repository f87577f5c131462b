"""Recognise Action Units in one video and print who smiles when: python one_video.py VIDEO."""

import sys

import autrt

n_frames = n_smiles = 0
for frame in autrt.recognise(sys.argv[1]):
    n_frames += 1
    for face in frame.faces:
        if "AU12" in face.active_aus:
            n_smiles += 1
            print(f"{frame.time_s:6.2f} s  face {face.track}: AU12 {face['AU12']:.2f}")
print(f"{n_smiles} smiles in {n_frames} frames")
