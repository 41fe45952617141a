/**
 * Changes the files of a folder as fast as it can, until it is ended: `node changing-files.mjs FOLDER COUNT BYTES`. Files are
 * added, deleted, put in the place of others, written over and made longer. Each whole version of a file begins with a line
 * that says how many bytes it has and which one they all are. COUNT files rest for seconds after each change; `restless`
 * never does. Prints a line once each of the kinds has happened.
 */
import { appendFileSync, closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '', count = '', bytes = ''] = process.argv.slice(2);
const COUNT = Number(count);
const LARGEST = Number(bytes);
const HEAD = 64;

/** Pieces of a write: between two of them, a reader may come. */
const PIECES = 16;

let version = 0;

function contents(size) {
  version++;
  const digit = String.fromCharCode(97 + (version % 26));
  const head = `${JSON.stringify({ size, digit })}\n`.padEnd(HEAD - 1).concat('\n');
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size - HEAD, digit)]);
}

const size = () => HEAD + Math.floor((0.5 + Math.random() / 2) * LARGEST);

/** In place, piece by piece. */
function writeOver(path, content) {
  const file = openSync(path, 'w');
  const piece = Math.ceil(content.length / PIECES);
  for (let start = 0; start < content.length; start += piece) {
    writeSync(file, content, start, Math.min(piece, content.length - start), start);
  }
  closeSync(file);
}

/** Longer by a half: its head, too, then says so. */
function lengthen(path) {
  const content = contents(size());
  const half = Math.floor(content.length / 2);
  writeFileSync(path, content.subarray(0, half));
  appendFileSync(path, content.subarray(half));
}

function replace(path) {
  writeFileSync(join(folder, '..', 'next'), contents(size()));
  renameSync(join(folder, '..', 'next'), path);
}

const KINDS = [
  (path) => writeOver(path, contents(size())),
  lengthen,
  replace,
  (path) => rmSync(path, { force: true }),
];

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

for (let index = 0; index < COUNT; index++) writeFileSync(join(folder, `f${index}`), contents(size()));
writeFileSync(join(folder, 'restless'), contents(LARGEST));
process.stdout.write('made\n');
for (let round = 0; ; round++) {
  // Each file's turn comes after all others have had theirs.
  KINDS[(round + Math.floor(round / COUNT)) % KINDS.length](join(folder, `f${(round * 7) % COUNT}`));
  if (round % 3 === 0) writeFileSync(join(folder, `added${round}`), contents(size()));
  if (round >= 300 && round % 3 === 0) rmSync(join(folder, `added${round - 300}`), { force: true });
  writeOver(join(folder, 'restless'), contents(LARGEST));
  await turn();
  if (round === 2 * KINDS.length) process.stdout.write('changing\n');
}
