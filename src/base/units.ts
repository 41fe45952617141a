/** Memory sizes: bytes inside, MiB where people read them. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const FACTORS: Readonly<Record<string, number>> = { '': 1, k: KIB, m: MIB, g: GIB, t: 1024 * GIB };

/**
 * Bytes of a size such as `512MiB`, `1.5G` or `2 GB`; undefined if it is none. All prefixes are binary, as in
 * the kernel's files and Docker's `--memory`; a bare number is bytes.
 */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text);
  if (!match) return undefined;
  const bytes = Math.round(Number(match[1]) * (FACTORS[match[2]?.toLowerCase() ?? ''] ?? 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Share between 0 and 1 of a percentage such as `75%`; undefined if it is none or out of range. */
export function parsePercent(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text);
  if (!match) return undefined;
  const share = Number(match[1]) / 100;
  return share > 0 && share <= 1 ? share : undefined;
}

/** Bytes of a size, or the share of a percentage; undefined if the text is neither, or no memory at all. */
export function parseMemory(text: string): { bytes: number } | { share: number } | undefined {
  const share = parsePercent(text);
  if (share !== undefined) return { share };
  const bytes = parseSize(text);
  return bytes ? { bytes } : undefined;
}

/** `640 MiB`, `1.5 GiB`: whole MiB below 10 GiB, because that is the unit of the memory model. */
export function formatBytes(bytes: number): string {
  if (Math.abs(bytes) >= 10 * GIB) return `${trim(bytes / GIB)} GiB`;
  return `${formatInteger(Math.round(bytes / MIB))} MiB`;
}

/** Bytes as whole MiB, rounded down. */
export function toMib(bytes: number): number {
  return Math.floor(bytes / MIB);
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

/** 12345 → `12,345`. */
function formatInteger(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 worker`, `2 workers`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
