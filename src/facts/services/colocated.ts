import { isLoopback } from '../../base/io/address.ts';
import { MIB } from '../../base/units.ts';
import type { Colocated, Settings } from '../types.ts';
import { getText } from './http.ts';
import { ANSWER_TIMEOUT } from './timeout.ts';

/** Milliseconds for a service that no setting names: it is on this machine, or it does not exist. */
const SEARCH_TIMEOUT = 200;

/** Where Ollama listens by default. */
const OLLAMA = 'http://127.0.0.1:11434';

/**
 * Share of all cores that a service takes while the workers are busy (estimates; a busy Open WebUI is mostly Python).
 */
export const CPU_SHARES: Readonly<Record<Colocated['name'], number>> = {
  PostgreSQL: 0.06,
  Redis: 0.02,
  Chroma: 0.04,
  Ollama: 0.25,
  metrics: 0,
};

/**
 * Only what is certainly on this machine counts: a loopback address, a UNIX socket, or the default, which is one of
 * them.
 */
export function isOnThisMachine(host: string | undefined): boolean {
  return !host || host.startsWith('/') || isLoopback(host);
}

/**
 * Asks an Ollama on this machine which models it holds in memory, and which it could load. Undefined: there is none.
 */
export async function askOllama(settings: Settings): Promise<Colocated | undefined> {
  const configured = settings.get('OLLAMA_BASE_URL')?.value;
  const address = configured && URL.canParse(configured) ? new URL(configured) : new URL(OLLAMA);
  if (!isOnThisMachine(address.hostname)) return undefined;
  const timeout = configured ? ANSWER_TIMEOUT : SEARCH_TIMEOUT;
  try {
    const [loaded, installed] = await Promise.all([
      models(new URL('/api/ps', address), timeout),
      models(new URL('/api/tags', address), timeout),
    ]);
    return ollamaOf(address.host, loaded, installed);
  } catch {
    return undefined;
  }
}

export interface OllamaModel {
  name: string;
  /** Bytes. */
  size: number;
  /** Bytes of it that are in the memory of a graphics card. */
  size_vram?: number;
}

/**
 * Loaded models are in use already. Memory is set aside for the largest one that may come, unless a graphics card holds
 * it.
 */
export function ollamaOf(
  where: string,
  loaded: readonly OllamaModel[],
  installed: readonly OllamaModel[],
): Colocated {
  const hasGpu = loaded.some(({ size_vram = 0 }) => size_vram > 0);
  const names = new Set(loaded.map(({ name }) => name));
  const absent = installed.filter(({ name }) => !names.has(name));
  const [largest] = absent.sort((a, b) => b.size - a.size);
  if (hasGpu || !largest || loaded.length > 0) {
    const reason = hasGpu ? 'its models are on the graphics card' : 'its model is loaded already';
    return {
      name: 'Ollama',
      where,
      bytes: 0,
      reason: largest || loaded.length > 0 ? reason : 'it has no model',
      cpuShare: hasGpu || installed.length === 0 ? 0 : CPU_SHARES.Ollama,
    };
  }
  return {
    name: 'Ollama',
    where,
    bytes: largest.size,
    reason: `${largest.name} is its largest model, and not loaded yet`,
    cpuShare: CPU_SHARES.Ollama,
  };
}

async function models(url: URL, timeout: number): Promise<OllamaModel[]> {
  const body: unknown = JSON.parse(await getText(url, timeout));
  const list = typeof body === 'object' && body !== null && 'models' in body ? body.models : undefined;
  if (!Array.isArray(list)) throw new Error('not an Ollama');
  return list.filter(
    (model): model is OllamaModel => typeof model?.name === 'string' && typeof model.size === 'number',
  );
}

/** Its buffers grow up to shared_buffers, but never beyond the size of the data. */
export function postgresOf(where: string, sharedBuffers: number, databaseSize: number): Colocated {
  return {
    name: 'PostgreSQL',
    where,
    bytes: Math.min(sharedBuffers, 2 * databaseSize + 16 * MIB),
    reason: 'its shared_buffers, as far as there is data to fill them',
    cpuShare: CPU_SHARES.PostgreSQL,
  };
}

/** It may grow up to maxmemory, or, without one, to twice what it holds. Bytes. */
export function redisOf(where: string, used: number, most: number): Colocated {
  return {
    name: 'Redis',
    where,
    bytes: most > 0 ? Math.max(0, most - used) : Math.max(16 * MIB, used),
    reason:
      most > 0
        ? 'what is left of its maxmemory'
        : 'as much again as it holds, at least 16 MiB: it has no maxmemory',
    cpuShare: CPU_SHARES.Redis,
  };
}

/** Chroma does not tell its size: 128 MiB for its growth (an estimate). */
export function chromaOf(where: string): Colocated {
  return {
    name: 'Chroma',
    where,
    bytes: 128 * MIB,
    reason: 'an estimate: it does not say how much it holds',
    cpuShare: CPU_SHARES.Chroma,
  };
}
