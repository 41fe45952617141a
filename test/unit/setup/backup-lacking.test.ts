/** What is said of a backup that does not have everything. */
import { expect, it } from 'vitest';
import { lackingIn } from '../../../src/setup/backup/create.ts';

const objects = { where: 's3://uploads' } as NonNullable<Parameters<typeof lackingIn>[1]['objects']>;

it('is nothing where nothing is lacking', () => {
  expect(lackingIn({ uploads: 3, missing: 0, changed: [] }, {})).toBe(undefined);
  // Of a backup that an older webui-tune has begun.
  expect(lackingIn({}, {})).toBe(undefined);
});

it('names uploads that changed whenever they were read, and no more than five', () => {
  expect(lackingIn({ changed: ['a'] }, {})).toBe(
    '1 upload kept changing during the backup, and may not be whole in it: a',
  );
  expect(lackingIn({ changed: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] }, {})).toContain(
    'a, b, c, d, e, and 2 more',
  );
});

it('has everything that is lacking', () => {
  const words = lackingIn({ missing: 2, changed: ['a'] }, { objects });
  expect(words).toContain(
    '2 uploads of the database are not in s3://uploads, and so not in the backup; 1 upload kept changing',
  );
});
