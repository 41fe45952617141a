import { EXIT, TuneError } from '../../base/errors.ts';
import type { Environment } from '../../base/io/environment.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';

/**
 * Reads the source of the installed package, and imports nothing: an import of its models would connect to the database.
 * Models say what there is now, migrations what a database of another version has. The last two are the tables in which
 * Alembic and, before it, Peewee note what was migrated.
 */
const READ_NAMES = `
import re
from importlib.util import find_spec
from pathlib import Path

package = Path(next(iter(find_spec("open_webui").submodule_search_locations)))
patterns = [
    r"""__tablename__(?:\\s*:\\s*\\w+)?\\s*=\\s*['"](\\w+)""",
    r"""(?:create_table|rename_table|\\bTable)\\(\\s*['"](\\w+)['"]""",
    r"""rename_table\\(\\s*['"]\\w+['"]\\s*,\\s*['"](\\w+)['"]""",
    r"""CREATE TABLE(?: IF NOT EXISTS)?\\s+"?(\\w+)""",
    r"""\\btable_name\\s*=\\s*['"](\\w+)['"]""",
]
files = [
    *package.glob("models/*.py"),
    *package.glob("migrations/versions/*.py"),
    *package.glob("internal/migrations/*.py"),
    package / "retrieval/vector/dbs/pgvector.py",
]
texts = [path.read_text() for path in files if path.exists()]
names = {name for pattern in patterns for text in texts for name in re.findall(pattern, text)}
print("\\n".join(sorted(names)))
`;

const VERSION_TABLES = ['alembic_version', 'migratehistory'];

/** Names of all tables that the installed Open WebUI makes, or has made in an earlier version. Throws TuneError. */
export async function knownTables(python: string, env: Environment): Promise<string[]> {
  const { code, output, stdout } = await runProgram(python, ['-P', '-c', READ_NAMES], { env });
  const names = stdout.split('\n').filter((name) => name !== '');
  if (code === 0 && names.includes('user')) return [...names, ...VERSION_TABLES];
  throw new TuneError(
    `${python} does not say which tables Open WebUI has:\n${tailOf(output)}`,
    EXIT.openWebui,
    ['webui-tune doctor says what is wrong with it'],
  );
}
