import { expect, it } from 'vitest';
import { realTerminal } from '../../../src/base/io/terminal.ts';
import { migrate } from '../../../src/commands/migrate.ts';

it('a migration is done or gone back on, not both', async () => {
  await expect(migrate({ back: true, done: true }, realTerminal())).rejects.toThrow(
    '--back and --done exclude each other',
  );
});
