"""Recognise Action Units in one video and print who smiles when: python one_video.py VIDEO."""

import argparse

import autrt

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video")
n_frames = n_smiles = 0
for frame in autrt.recognise(parser.parse_args().video):
    n_frames += 1
    for face in frame.faces:
        if "AU12" in face.active_aus:
            n_smiles += 1
            print(f"{frame.time_s:6.2f} s  face {face.track}: AU12 {face['AU12']:.2f}")
print(f"{n_smiles} smiles in {n_frames} frames")
