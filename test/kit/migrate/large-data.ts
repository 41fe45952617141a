/** Rows and vectors by the thousand in a data folder whose server is stopped, so that a pass takes its time. */
import { join } from 'node:path';
import { execa } from 'execa';
import { openWebuiEnvironment, ROOT } from '../environment.ts';

const FILL = `
import sqlite3, sys
from chroma_folder import Filler, open_client
from many_messages import fill

folder, messages, chunks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
fill(sqlite3.connect(f"{folder}/webui.db", isolation_level=None), messages, users=3)
Filler(open_client(f"{folder}/vector_db")).add("file-many", chunks)
`;

/** Messages of three more users with their chats (1.3 KiB each), and chunks of 384 dimensions in one collection. */
export async function addManyRows(dataDir: string, messages: number, chunks: number): Promise<void> {
  const words = ['-c', FILL, dataDir, `${messages}`, `${chunks}`];
  await execa(openWebuiEnvironment().python, words, {
    env: { PYTHONPATH: join(ROOT, 'test', 'migrate', 'kit'), HOME: dataDir },
  });
}
