/** Exit codes of the command line; `--help` lists them. */
export const EXIT = {
  ok: 0,
  /** A bug of ours: the stack is printed. */
  internal: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No Open WebUI, or one that this version cannot run. */
  openWebui: 3,
  /** A setting, the env file, the secrets file or a preset is wrong. */
  settings: 4,
  /** The machine, or the part of it that we may use, is too small. */
  machine: 5,
  /** The result cannot be written where it was asked for. */
  output: 6,
  /** Something could not be installed, started, reached or stopped, or does not serve. */
  service: 7,
  /** `doctor` has warnings, and nothing worse. */
  doubtful: 8,
  /** `doctor` has found something that does not work. */
  unhealthy: 9,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Exit codes in the order in which `--help` lists them. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'the file was written'],
  [EXIT.internal, 'webui-tune has a bug'],
  [EXIT.usage, 'the command line is wrong'],
  [EXIT.openWebui, 'Open WebUI is missing, or is a version that is not supported'],
  [EXIT.settings, 'a setting, the env file or a preset is wrong'],
  [EXIT.machine, 'too little memory for one worker'],
  [EXIT.output, 'the result could not be written'],
  [EXIT.service, 'something could not be installed, started or stopped, or Open WebUI does not serve'],
  [EXIT.doubtful, 'doctor: warnings, no errors'],
  [EXIT.unhealthy, 'doctor: errors'],
];

/**
 * Something that the user can mend. The message says what is wrong, with the value and what is accepted instead,
 * but never holds a secret; `mend` is a command or a line to change, printed on a line of its own.
 */
export class TuneError extends Error {
  override readonly name = 'TuneError';
  readonly exitCode: ExitCode;
  readonly mend: readonly string[];

  constructor(message: string, exitCode: ExitCode, mend: readonly string[] = []) {
    super(message);
    this.exitCode = exitCode;
    this.mend = mend;
  }
}

/** `code` of a Node system error (ENOENT, EACCES, …), undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
