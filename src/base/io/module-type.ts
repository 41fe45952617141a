import { dirname, join, resolve } from 'node:path';
import { textOrUndefined } from './read.ts';

/**
 * Whether Node takes a `.js` file in `folder` for an ES module: the nearest package.json says so. PM2 can load our
 * CommonJS file from there only if its name ends in `.cjs`.
 */
export function isModuleFolder(folder: string): boolean {
  for (let current = resolve(folder); ; current = dirname(current)) {
    const text = textOrUndefined(join(current, 'package.json'));
    if (text !== undefined) return hasTypeModule(text);
    if (current === dirname(current)) return false;
  }
}

function hasTypeModule(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && 'type' in parsed && parsed.type === 'module';
  } catch {
    return false;
  }
}
