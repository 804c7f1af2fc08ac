#!/bin/sh
# All that bench/RESULTS.md says about networks of other families, anew: sh bench/families.sh FOLDER PYTHON, 10 minutes of an idle machine.
# FOLDER has been filled by bench/peers/networks.py; PYTHON is an interpreter with torch and grad-cam (bench/peers/requirements.txt).
set -e
out=bench/results
node bench/families.js "$1" --peers onnxruntime-node,onnxruntime-web,tfjs-wasm --atrous 4 --rounds 5 --json $out/families.json
{
  node bench/gradcam.js "$1/resnet50.onnx" --modes pooled --runs 5
  "$2" bench/peers/grad_cam.py "$1/resnet50.pth" --runs 5
} >$out/resnet50.jsonl
for file in "$1"/*.onnx; do
  node bench/gradcam.js "$file" --modes atrous --output-stride 1 --runs 3
  "$2" bench/peers/grad_cam.py "${file%.onnx}.pth" --full --runs 3
done >$out/every-pixel.jsonl
node bench/report.js
