import { formatBytes, MIB } from '../../base/units.ts';
import { ENV } from '../../runtime/contract.ts';
import { check, error, ok, warning } from '../check.ts';
import { inForce } from '../read/stored.ts';
import { severalWorkersNeed } from './several.ts';

export const vectorChecks = [
  check({
    id: 'vectors.shared',
    title: 'Several workers have one vector store',
    why: '"Child process died" during uploads, and documents that only one worker finds',
    source: 'open_webui/retrieval/vector/dbs/chroma.py; docs.openwebui.com, multi-replica',
    needs: ['installation', 'interpreter', 'services', 'effective', 'workers'],
    run: (facts) => severalWorkersNeed('a shared vector store', facts),
  }),
  check({
    id: 'vectors.chroma',
    title: 'The Chroma server answers',
    why: 'every upload and every question about a document fails, while the chat works',
    source: 'open_webui/config.py, CHROMA_HTTP_HOST',
    needs: ['chroma'],
    run: ({ chroma: { where, answer } }) =>
      answer.up
        ? ok(where)
        : error(`${where} does not answer: ${answer.reason}`, 'start it: chroma run --path FOLDER'),
  }),
  check({
    id: 'vectors.extension',
    title: 'PostgreSQL has pgvector',
    why: 'the start ends where the extension is missing and this user may not create it',
    source: 'open_webui/retrieval/vector/dbs/pgvector.py; pgvector’s control file (not "trusted")',
    needs: ['database', 'effective'],
    run: ({ database, effective }) => {
      if (effective.get('VECTOR_DB') !== 'pgvector') return ok('vectors are in another store');
      if (database.kind !== 'postgresql' || database.vector === undefined) {
        return error(
          'VECTOR_DB is pgvector, and there is no PostgreSQL that could be asked',
          'set DATABASE_URL',
        );
      }
      const create = 'as a superuser, in that database: CREATE EXTENSION vector;';
      switch (database.vector) {
        case 'installed':
          return ok('it is installed in that database');
        case 'creatable':
          return ok('it is there, and the first start creates it');
        case 'superuser-only':
          return error(`${database.where} has it, but this user may not create it`, create);
        case 'missing':
          return error(
            `the server at ${database.where} does not have it`,
            'apt install postgresql-NN-pgvector (or your system’s package)',
            create,
          );
      }
    },
  }),
  check({
    id: 'vectors.index',
    title: 'PostgreSQL may use the memory that the index of vectors takes',
    why: 'the first start that finds 5,000 chunks or more makes it, and ends with "memory required is 65 MB, maintenance_work_mem is 64 MB"',
    source: 'PgvectorClient._ensure_vector_index; pgvector, src/ivfkmeans.c; tried with pgvector 0.8.5',
    needs: ['vectorIndex'],
    run: ({ vectorIndex: { database, isMade, allowed, needed } }) => {
      if (isMade) return ok('the index is made');
      if (allowed >= needed) return ok(`${formatBytes(allowed)}, of which it takes ${formatBytes(needed)}`);
      const setting = `${2 * Math.ceil(needed / MIB / 64) * 64}MB`;
      return warning(
        `it takes ${formatBytes(needed)}, and PostgreSQL may use ${formatBytes(allowed)}`,
        `as the owner of the database: ALTER DATABASE "${database}" SET maintenance_work_mem = '${setting}';`,
      );
    },
  }),
  check({
    id: 'vectors.engines',
    title: 'Programs that read or embed documents answer',
    why: 'every upload fails, and every question about a document, while the chat works',
    source: 'open_webui/config.py: rag.embedding_engine, rag.content_extraction_engine and their addresses',
    needs: ['engines'],
    run: ({ engines }) => {
      if (engines.length === 0)
        return ok('the database names no other program; cluster.embeds tries the workers');
      return engines.map(({ what, url, answer }) => {
        const { host } = new URL(url);
        return answer.up
          ? ok(`${host} answers, which ${what}`)
          : error(
              `${host}, which ${what}, does not answer: ${answer.reason}`,
              'start it, or mend its address in the administration settings, Documents',
            );
      });
    },
  }),
  check({
    id: 'vectors.embedding',
    title: 'The level of preloading fits the embedding engine',
    why: 'with a lean preload and local embeddings each worker loads torch for itself: some 300 MiB more than planned',
    source: 'measured; src/plan/memory.ts, explainLean',
    needs: ['plan', 'effective', 'database', 'ecosystem'],
    run: ({ effective, database, ecosystem }) => {
      const engine = inForce('RAG_EMBEDDING_ENGINE', effective, database);
      const preload = ecosystem.env[ENV.preload];
      return preload === 'lean' && !engine
        ? warning(
            'the file asks for a lean preload, and embeddings are local',
            'webui-tune --preload auto --force',
          )
        : ok(
            engine
              ? `the settings say: embeddings by ${engine}`
              : `embeddings are local, and the file asks for the preload ${preload ?? 'auto'}`,
          );
    },
  }),
];
