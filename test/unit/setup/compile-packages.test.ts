import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { environments } from '../../../scripts/environments.mjs';
import { ROOT } from '../../kit/environment.ts';

/** Whether each of these files is left out when an environment is compiled. */
function areLeftOut(paths: string[]): boolean[] {
  const program =
    'import json, sys; from compile_packages import SELDOM; print(json.dumps([bool(SELDOM.search(p)) for p in sys.argv[1:]]))';
  const env = { PATH: process.env.PATH, PYTHONPATH: join(ROOT, 'src', 'setup', 'python') };
  return JSON.parse(
    execFileSync(environments().openWebui.python, ['-c', program, ...paths], { env, encoding: 'utf8' }),
  );
}

it('leaves out packages and tests that nobody imports, wherever the environment is', () => {
  const places = ['/srv/venv', '/home/test/.local/venv', '/opt/tests/kubernetes/venv'];
  const packages = places.map((place) => `${place}/lib/python3.11/site-packages`);
  const inEach = (path: string) => areLeftOut(packages.map((folder) => `${folder}/${path}`));
  for (const path of [
    'kubernetes/client/api.py',
    'transformers/models/bert/modeling_bert.py',
    'pandas/tests/io/test_parquet.py',
    'chromadb/test/conftest.py',
  ]) {
    expect(inEach(path), path).toEqual([true, true, true]);
  }
  for (const path of ['open_webui/main.py', 'transformers/modeling_utils.py', 'numpy/testing/__init__.py']) {
    expect(inEach(path), path).toEqual([false, false, false]);
  }
});
