import { EXIT, TuneError } from '../../base/errors.ts';
import type { VectorsVerified, Verified } from './messages.ts';

/** A table or a collection, compared. */
export interface VerifiedRow {
  kind: 'table' | 'collection';
  name: string;
  source: number;
  target: number;
  equal: boolean;
  /** False: a collection that is not carried, and so need not be equal. */
  isCarried?: boolean;
  /** What is to be said beside. */
  note?: string;
}

export interface Verification {
  rows: VerifiedRow[];
}

export function ofTables({ tables }: Verified): VerifiedRow[] {
  return tables.map(({ table, source, target, mended, aside, equal, differing }) => {
    const notes = notesOf({ mended, aside, differing });
    return { kind: 'table', name: table, source, target, equal, ...noted(notes) };
  });
}

/** A collection with a reason is not carried: it is embedded again, or named as lost. */
export function ofCollections({ collections }: VectorsVerified): VerifiedRow[] {
  return collections.map(({ collection, sampled, same_neighbours, reason, ...counts }) => {
    const { source, target, equal } = counts;
    const notes = [
      ...notesOf(counts),
      ...(sampled > 0 ? [`${same_neighbours} of ${sampled} searches find the same`] : []),
      ...(reason === null ? [] : [`not carried: ${reason}`]),
    ];
    return {
      kind: 'collection',
      name: collection,
      source,
      target,
      equal,
      isCarried: reason === null,
      ...noted(notes),
    };
  });
}

function notesOf({ mended, aside, differing }: { mended: number; aside: number; differing: string[] }) {
  return [
    ...(mended > 0 ? [`${mended} mended`] : []),
    ...(aside > 0 ? [`${aside} kept in the report`] : []),
    ...(differing.length > 0 ? [`differing: ${differing.slice(0, 3).join(', ')}`] : []),
  ];
}

function noted(notes: readonly string[]): { note?: string } {
  return notes.length > 0 ? { note: notes.join(', ') } : {};
}

/** Throws TuneError where something that is carried differs. */
export function requireEqual({ rows }: Verification): void {
  const different = rows.filter(({ equal, isCarried = true }) => !equal && isCarried);
  if (different.length === 0) return;
  const lines = different.map(({ name, source, target, note }) =>
    [`  ${name}: ${source} in the source, ${target} in the target`, note].filter(Boolean).join('; '),
  );
  throw new TuneError(`the copy is not what the source is:\n${lines.join('\n')}`, EXIT.service, [
    'run webui-tune migrate again; if it stays, report it with these lines',
  ]);
}

/** A line for each, aligned: what the command ends with. */
export function verificationLines({ rows }: Verification): string[] {
  const cells = [
    ['', 'source', 'target', ''],
    ...rows.map(({ kind, name, source, target, equal, isCarried = true, note }) => [
      kind === 'table' ? name : `collection ${name}`,
      `${source}`,
      `${target}`,
      [isCarried && (equal ? 'equal' : 'DIFFERENT'), note].filter(Boolean).join('; '),
    ]),
  ];
  const width = (column: number) => Math.max(...cells.map((row) => row[column]?.length ?? 0));
  const [names, sources, targets] = [width(0), width(1), width(2)];
  return cells.map(([name = '', source = '', target = '', result = '']) =>
    `${name.padEnd(names)}  ${source.padStart(sources)}  ${target.padStart(targets)}  ${result}`.trimEnd(),
  );
}
