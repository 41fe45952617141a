export interface PythonEnvironment {
  name: string;
  /** Of the Python that it is made with. */
  command: string;
  version: string;
  steps: string[][];
  folder: string;
  marker: string;
  python: string;
  log: string;
  lock: string;
  /** Script that runs last, with the environment's own Python. */
  finish?: string;
  /** The tests that are skipped without it; absent: no test runs without it. */
  optionalFor?: string;
  isComplete(): boolean;
}

export const OPEN_WEBUI_VERSION: string;
export function findPython(): { command: string; version: string };
export function olderEnvironment(version: string): PythonEnvironment;
export function environments(): {
  python: { command: string; version: string };
  openWebui: PythonEnvironment;
  tools: PythonEnvironment;
  validators: PythonEnvironment;
  objectStore: PythonEnvironment;
  postgres16: PythonEnvironment;
};
