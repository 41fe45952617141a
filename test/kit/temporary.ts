import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone after the test, with files by path; `x` before a path makes the file executable. */
export function temporaryFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'webui-tune-test-')));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    const isExecutable = name.startsWith('x ');
    const path = join(folder, isExecutable ? name.slice(2) : name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    if (isExecutable) chmodSync(path, 0o755);
  }
  return folder;
}
