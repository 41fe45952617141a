import { accessSync, constants } from 'node:fs';

/** Whether it is there, and may be run. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
