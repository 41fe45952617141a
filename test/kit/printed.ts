import { createColors } from 'picocolors';
import { printEcosystem } from '../../src/commands/ecosystem.ts';

/** Runs the command for another machine: it asks nothing of this one. */
export async function printed(options: Parameters<typeof printEcosystem>[0]) {
  const text = { out: '', err: '' };
  await printEcosystem(options, {
    out: (part) => {
      text.out += part;
    },
    err: (part) => {
      text.err += part;
    },
    colors: createColors(false),
  });
  return text;
}
