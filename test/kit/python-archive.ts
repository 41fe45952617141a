/** The Python that the tests run on, packed as python-build-standalone packs one: uv's archives have this layout. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { basePython } from './installation.ts';

/** In uv's words. */
const ABOUT = `
import json, platform, sys
v = sys.version_info
os = {"darwin": "darwin"}.get(sys.platform, "linux")
arch = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
print(json.dumps({"version": f"{v[0]}.{v[1]}", "full": f"{v[0]}.{v[1]}.{v[2]}", "patch": v[2], "minor": v[1],
                  "prefix": sys.base_prefix, "os": os, "arch": arch, "libc": "none" if os == "darwin" else "gnu"}))
`;

export interface AboutPython {
  /** Such as 3.11, and with its patch version. */
  version: string;
  full: string;
  patch: number;
  minor: number;
  prefix: string;
  os: string;
  arch: string;
  libc: string;
}

export async function aboutPython(): Promise<AboutPython> {
  return JSON.parse((await execa(basePython(), ['-c', ABOUT])).stdout) as AboutPython;
}

/** Writes the archive into the folder, without what an environment does not need; its path. */
export async function packPython(folder: string): Promise<string> {
  const about = await aboutPython();
  const root = join(folder, 'pack', 'python');
  const name = `python${about.version}`;
  const skip = /\/(?:test|idlelib|site-packages|dist-packages|__pycache__|config-[^/]*)$/;
  await cp(join(about.prefix, 'lib', name), join(root, 'lib', name), {
    recursive: true,
    dereference: true,
    filter: (path) => !skip.test(path),
  });
  await cp(basePython(), join(root, 'bin', name), { dereference: true });
  const path = join(folder, `cpython-${about.full}.tar.gz`);
  await execa('tar', ['-C', join(folder, 'pack'), '-czf', path, 'python']);
  return path;
}
