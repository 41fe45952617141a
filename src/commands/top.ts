import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createColors } from 'picocolors';
import { EXIT, type ExitCode, TuneError } from '../base/errors.ts';
import { dataHome } from '../base/io/folders.ts';
import { openScreen } from '../base/io/screen.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { findEcosystemFile, loadEcosystem } from '../doctor/read/ecosystem.ts';
import { USUAL_NAMES } from '../render/formats.ts';
import { type Line, plainText, renderTop, type Tone } from '../render/top.ts';
import { ENV } from '../runtime/contract.ts';
import { compare } from '../runtime/watch/compare.ts';
import { chooseCluster } from '../runtime/watch/find.ts';
import { type Sample, takeSample } from '../runtime/watch/sample.ts';

export interface TopOptions {
  /** Ecosystem file; undefined: the running cluster. */
  file?: string;
  /** Seconds between two readings. */
  interval: number;
  once?: boolean;
  json?: boolean;
}

/** Number of samples that rates are computed from: a worker's heartbeat may be a second old. */
const KEPT = 4;

/** Width of a table without a terminal, in columns. */
const PIPE_WIDTH = 160;

/** Shows the cluster until the user quits; once without a terminal, with --once or with --json. Throws TuneError. */
export async function showTop(options: TopOptions, terminal: Terminal): Promise<ExitCode> {
  const { json = false, once = false, interval } = options;
  const socket = await findCluster(options.file);
  if (json || once || !process.stdout.isTTY) return showOnce(socket, interval, json, terminal);
  return showLive(socket, interval, terminal);
}

async function showOnce(
  socket: string,
  interval: number,
  json: boolean,
  { out, colors }: Terminal,
): Promise<ExitCode> {
  const before = await takeSample(socket);
  await sleep(interval * 1000);
  const report = compare([before], await takeSample(socket));
  if (json) out(`${JSON.stringify(report, undefined, 2)}\n`);
  else {
    const { isTTY, columns } = process.stdout;
    const paint = painter(isTTY ? colors : createColors(false));
    for (const line of renderTop(report, (isTTY && columns) || PIPE_WIDTH)) out(`${paint(line)}\n`);
  }
  return EXIT.ok;
}

async function showLive(socket: string, interval: number, { colors }: Terminal): Promise<ExitCode> {
  const paint = painter(colors);
  const samples: Sample[] = [];
  const quit = new AbortController();
  const draw = () => {
    const [sample, earlier] = [samples.at(-1), samples.slice(0, -1)];
    if (sample) screen.draw(renderTop(compare(earlier, sample), screen.width, screen.height).map(paint));
  };
  const screen = openScreen({ onQuit: () => quit.abort(), onResize: draw });
  try {
    while (!quit.signal.aborted) {
      samples.push(await takeSample(socket));
      samples.splice(0, samples.length - KEPT);
      if (quit.signal.aborted) break;
      draw();
      await sleep(interval * 1000, undefined, { signal: quit.signal }).catch(() => undefined);
    }
  } finally {
    screen.close();
  }
  return EXIT.ok;
}

function painter(colors: ReturnType<typeof createColors>): (line: Line) => string {
  const tones: Readonly<Record<Tone, (text: string) => string>> = {
    good: colors.green,
    doubtful: colors.yellow,
    bad: colors.red,
    quiet: colors.dim,
    strong: colors.bold,
  };
  return (line) => {
    if (!colors.isColorSupported) return plainText(line);
    return line.map(({ text, tone }) => (tone ? tones[tone](text) : text)).join('');
  };
}

/** The control socket of the file's cluster, or of the running one. Throws TuneError. */
export async function findCluster(file: string | undefined): Promise<string> {
  const { env } = process;
  const path = findEcosystemFile(
    file,
    process.cwd(),
    join(dataHome(env, env.HOME || homedir()), USUAL_NAMES.js),
  );
  const ofFile = async () =>
    path === undefined ? undefined : (await loadEcosystem(path)).env[ENV.controlSocket];
  if (file === undefined) return chooseCluster(ofFile);
  const socket = await ofFile();
  if (socket === undefined) {
    throw new TuneError(`${path} has no ${ENV.controlSocket}: webui-tune did not write it`, EXIT.settings);
  }
  return socket;
}
