import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MODEL_FILES } from '../../../src/setup/model/default-model.ts';
import { findWrongFile, modelFolder, placeModel } from '../../../src/setup/model/model-cache.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** A folder with files of the right names and sizes, and no content. */
function emptyModel(): string {
  const folder = temporaryFolder();
  for (const { path, bytes } of MODEL_FILES) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '');
    truncateSync(file, bytes);
  }
  return folder;
}

describe('the cache of models', () => {
  it('is given nothing that is not what was published', async () => {
    const cache = temporaryFolder();
    const files = emptyModel();
    const [first] = MODEL_FILES;
    expect(await findWrongFile(files)).toBe(first);
    await expect(placeModel(cache, files, 'a mirror')).rejects.toThrow(
      `from a mirror is not the one that was published: the hash of ${first?.path} differs`,
    );
    expect(existsSync(modelFolder(cache))).toBe(false);
  });
});
