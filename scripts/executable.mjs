import { accessSync, constants } from 'node:fs';

/** Whether the file exists and may be executed. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
