/** The licences of what is bundled: each asks that its text goes along with copies of the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Text of all of them. `metafiles`: what esbuild says of its bundles. Throws Error for a package without a licence. */
export function licencesOf(metafiles) {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
  const parts = [...new Set(folders)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e(?:\.|-mit|$)/i.test(entry));
    if (!file && !license) throw new Error(`${folder} has no licence, and is bundled`);
    const text = file
      ? readFileSync(join(folder, file), 'utf8').trim()
      : 'The package has no file of its own.';
    return `${name} ${version} (${license ?? 'licence below'})\n\n${text}\n`;
  });
  return `Parts of these packages are in the files of this folder.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}
