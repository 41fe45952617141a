import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { type RunResult, runProgram, tailOf } from '../../base/io/run.ts';
import { downloadSize } from './download-size.ts';
import { explainPip } from './explain-pip.ts';

/* Decides which build of torch is installed, by asking pip as it is configured. Nothing is guessed. */

/** PyTorch's own index of builds without CUDA; PyPI's builds for Linux bring some 20 packages and several GB of it. */
const CPU_INDEX = 'https://download.pytorch.org/whl/cpu';

/** Milliseconds that the index may take to answer, names and connections included. */
const PATIENCE = 5_000;
/** Seconds for one connection attempt. They are fewer, so that pip itself can say that nobody answers. */
const CONNECT = '4';
/** Milliseconds for a question for which pip may have to fetch the metadata of some 30 packages. */
const QUESTION = 300_000;
/** How many CPU builds are tried against pip's constraints, from the newest on. */
const TRIED = 5;
/** The libraries that show that a build is the large one: CUDA's. */
const CUDA = /^(?:nvidia|cuda)-/;

/** What pip is to install before Open WebUI. */
export interface Torch {
  /** pip's words: the requirement, and an index of its own. Empty: pip's own choice. */
  args: readonly string[];
  /** For people. */
  text: string;
  /** Set for the build with CUDA: bytes that are downloaded; undefined where the index does not say. */
  large?: { packages: number; bytes: number | undefined };
}

/** The pip that is asked, and with what. */
export interface PipQuestions {
  python: string;
  env: Environment;
  /** For an error: pip's log. */
  log: string;
}

export interface TorchWishes {
  /** Of `--torch-index`: a URL, or `default` for pip's own. */
  index: string | undefined;
  gpu: boolean;
  /** Node's word. */
  platform: string;
  /** Whether only the folder of `--wheels` may be asked. */
  offline: boolean;
  /** Index of CPU builds; default: PyTorch's. */
  cpuIndex?: string;
}

const Report = z.object({
  install: z.array(
    z.object({
      metadata: z.object({ name: z.string(), version: z.string() }),
      download_info: z.object({ url: z.string() }),
    }),
  ),
});
type Packages = z.infer<typeof Report>['install'];

/** Which torch suits this machine and can be had. Throws TuneError where pip offers none. */
export async function chooseTorch(pip: PipQuestions, wishes: TorchWishes): Promise<Torch> {
  const { index, gpu, platform, offline, cpuIndex = CPU_INDEX } = wishes;
  if (index !== undefined && index !== 'default') {
    return { args: ['torch', '--index-url', index], text: `torch from ${index}` };
  }
  // PyPI's builds for other systems are CPU builds.
  if (platform !== 'linux') return { args: [], text: 'torch of pip’s own index' };
  if (index === undefined && !gpu) {
    const found = (offline ? undefined : await fromCpuIndex(pip, cpuIndex)) ?? (await cpuBuild(pip));
    if (found) return found;
  }
  return anyBuild(pip);
}

/** PyTorch's index, where it answers in time and pip's constraints allow one of its builds. */
async function fromCpuIndex(pip: PipQuestions, index: string): Promise<Torch | undefined> {
  const nothing = mkdtempSync(join(tmpdir(), 'wt-no-links-'));
  try {
    // pip's proxy, certificates, constraints and --no-index apply. Its other sources must not answer instead.
    const env = { ...pip.env, PIP_FIND_LINKS: nothing, PIP_EXTRA_INDEX_URL: index };
    const alone = { ...pip, env };
    const words = ['--index-url', index, '--retries', '0', '--timeout', CONNECT];
    if ((await versions(alone, words, PATIENCE)).length === 0) return undefined;
    const [torch] = (await resolve(alone, ['--no-deps', '--index-url', index, 'torch'])) ?? [];
    if (!torch) return undefined;
    const { version } = torch.metadata;
    return {
      args: [`torch==${version}`, '--index-url', index],
      text: `torch ${version} from ${index}`,
    };
  } finally {
    rmSync(nothing, { recursive: true, force: true });
  }
}

/** The newest CPU build that pip's own sources offer and its constraints allow. */
async function cpuBuild(pip: PipQuestions): Promise<Torch | undefined> {
  const builds = cpuBuildsOf(await versions(pip, [], QUESTION));
  for (const version of builds.slice(0, TRIED)) {
    if (await resolve(pip, ['--no-deps', `torch==${version}`])) {
      return { args: [`torch==${version}`], text: `torch ${version}` };
    }
  }
  return undefined;
}

/** What pip takes by itself; on x86-64 that is the build with CUDA, on ARM64 often one for the CPU. */
async function anyBuild(pip: PipQuestions): Promise<Torch> {
  const words = dryRun(['torch']);
  const { code, output, stdout } = await ask(pip, words, QUESTION);
  if (code !== 0) throw explainPip({ output, log: pip.log });
  const packages = parseReport(stdout, output);
  const torch = packages.find(({ metadata }) => metadata.name === 'torch');
  if (!torch) throw new TuneError(`pip did not say which torch it takes:\n${tailOf(output)}`, EXIT.service);
  const { version } = torch.metadata;
  const args = [`torch==${version}`];
  if (!bringsCuda(packages.map(({ metadata }) => metadata.name))) return { args, text: `torch ${version}` };
  const urls = packages.map(({ download_info }) => download_info.url);
  const bytes = await downloadSize(pip.python, pip.env, urls);
  const size = bytes === undefined ? 'several GB' : `${(bytes / 1e9).toFixed(1)} GB`;
  return {
    args,
    text: `torch ${version} with CUDA (${packages.length} packages, ${size} to download)`,
    large: { packages: packages.length, bytes },
  };
}

/** CPU builds are marked by a local version label; the order stays. */
export function cpuBuildsOf(found: readonly string[]): string[] {
  return found.filter((version) => /\+cpu\b/.test(version));
}

/** Versions in the answer of `pip index versions`, the newest first. */
export function versionsIn(output: string): string[] {
  const list = /^Available versions: (.+)$/m.exec(output)?.[1];
  return list?.split(',').map((version) => version.trim()) ?? [];
}

export function bringsCuda(names: readonly string[]): boolean {
  return names.some((name) => CUDA.test(name.toLowerCase().replaceAll('_', '-')));
}

async function versions(pip: PipQuestions, words: readonly string[], patience: number): Promise<string[]> {
  const { output } = await ask(pip, ['index', 'versions', 'torch', ...words], patience);
  return versionsIn(output);
}

/** What would be installed; undefined where pip finds nothing that its constraints allow. */
async function resolve(pip: PipQuestions, words: readonly string[]): Promise<Packages | undefined> {
  const { code, output, stdout } = await ask(pip, dryRun(words), QUESTION);
  return code === 0 ? parseReport(stdout, output) : undefined;
}

/** Installed packages do not count: they may come from an earlier attempt. */
const dryRun = (words: readonly string[]) => [
  ...['install', '--dry-run', '--ignore-installed', '--quiet', '--report', '-'],
  ...words,
];

function parseReport(stdout: string, output: string): Packages {
  try {
    return Report.parse(JSON.parse(stdout)).install;
  } catch {
    throw new TuneError(`pip’s report cannot be read:\n${tailOf(output)}`, EXIT.service);
  }
}

/** A question that takes longer than `patience` milliseconds is ended, and has no exit code. */
function ask(pip: PipQuestions, words: readonly string[], patience: number): Promise<RunResult> {
  const common = ['--no-input', '--disable-pip-version-check'];
  return runProgram(pip.python, ['-m', 'pip', ...words, ...common], { env: pip.env, timeout: patience });
}
