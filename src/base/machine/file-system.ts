import { readKernelFile } from './files.ts';
import { parseMountInfo } from './mountinfo.ts';

/** File systems of other machines: SQLite's locks do not hold there. */
const NETWORK = /^(?:nfs|cifs|smb|ceph|glusterfs|9p|fuse\.sshfs|fuse\.s3fs|afs)/;

/** Type of the file system that a path is on; empty where nobody says. */
export function fileSystemOf(path: string): string {
  const mounts = parseMountInfo(readKernelFile('/', 'proc/self/mountinfo') ?? '');
  const mount = mounts
    .filter(({ mountPoint }) => mountPoint === '/' || `${path}/`.startsWith(`${mountPoint}/`))
    // Of several mounts at one path, the last hides the others.
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length)
    .at(-1);
  return mount?.type ?? '';
}

/** Whether other machines may use it too. */
export function isOfNetwork(fileSystem: string): boolean {
  return NETWORK.test(fileSystem);
}
