import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { micro, photo, root } from './command.js';

// python/atrous_cam.py, where there is a Python with NumPy.
const names = [process.env.PYTHON, 'python3', '/usr/bin/python3'].filter((name) => name !== undefined);
const python = names.find((name) => spawnSync(name, ['-c', 'import numpy']).status === 0);

const SCRIPT = `
import json, sys
import numpy as np
from atrous_cam import AtrousCamError, explain, explain_many

photo, weights = sys.argv[1:]

def refused(*args, **options):
    try:
        explain(*args, **options)
    except AtrousCamError as error:
        return [error.code, str(error)]

one = explain(photo, weights=weights, target="class 5", mode="pooled", opacity=1)
pixels = explain(one["overlay"], weights=weights, target=5, mode="pooled")
grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
several = explain_many([photo, "none.jpg", grey], weights=weights, mode="atrous", output_stride=8)
print(json.dumps({
    "shapes": {name: [list(value.shape), str(value.dtype)] for name, value in one.items() if isinstance(value, np.ndarray)},
    "most": float(one["map"].max()),
    "target": one["target"],
    "score": [one["score"], float(one["logits"][5])],
    "pixels": list(pixels["overlay"].shape),
    "several": [str(each) if isinstance(each, AtrousCamError) else list(each["raw"].shape) for each in several],
    "refused": [refused(photo, weights=weights, target="horse"), refused(photo, method="zzz"), refused(photo, mode="all"),
                refused("none.jpg", weights=weights), refused(np.zeros(3)), refused(photo, modus="x")],
}))
`;

test('maps are arrays, and what the command refuses is an exception with its sentence', () => {
  if (!python) {
    console.warn(
      'The Python test was left out: no python3 with NumPy was found; install NumPy, or set PYTHON to one that has it.',
    );
    return;
  }
  const PYTHONPATH = join(root, 'python');
  const ATROUS_CAM = `"${process.execPath}" "${join(root, 'dist/cli.js')}"`;
  const env = { ...process.env, PYTHONPATH, ATROUS_CAM, PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout, stderr } = spawnSync(python, ['-c', SCRIPT, photo, micro], { cwd: root, env, encoding: 'utf8' });
  expect(stderr).toBe('');
  const found = JSON.parse(stdout);
  expect(found.shapes).toEqual({
    map: [[64, 64], 'float32'],
    raw: [[4, 4], 'float32'],
    overlay: [[333, 500, 3], 'uint8'],
    logits: [[10], 'float32'],
  });
  expect(found.most).toBeCloseTo(1, 5);
  expect(found.target).toEqual({ index: 5, label: 'class 5' });
  expect(found.score[0]).toBeCloseTo(found.score[1], 5);
  expect(found.pixels).toEqual([333, 500, 3]);
  expect(found.several).toEqual([[8, 8], `${join(root, 'none.jpg')}: no such file`, [8, 8]]);
  expect(found.refused).toEqual([
    ['FAILED', expect.stringContaining('unknown label "horse"')],
    ['BAD_ARGUMENT', expect.stringMatching(/^--method: expected gradcam, .* got "zzz"$/)],
    ['BAD_ARGUMENT', "mode: expected one of pooled, dilated, atrous, got 'all'"],
    ['NOT_FOUND', `${join(root, 'none.jpg')}: no such file`],
    ['BAD_ARGUMENT', expect.stringMatching(/^picture: expected uint8 of shape .*, got float64 of \(3,\)$/)],
    ['BAD_ARGUMENT', "unknown option '--modus=x'"],
  ]);
});
