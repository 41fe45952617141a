import { EXIT, TuneError } from '../../base/errors.ts';

/** Options for the Helm values only. */
export interface HelmOptions {
  /** Pods, one worker in each; undefined: as many as the plan has workers. */
  replicas?: number;
  /** Storage class whose volumes several nodes can mount at once (ReadWriteMany). */
  storageClass?: string;
  /** Name that browsers use. */
  host?: string;
}

/** Names of Kubernetes objects and of hosts (RFC 1123, DNS subdomain). */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Checks that the required options are given and well-formed. Throws TuneError. */
export function requireOptions({ storageClass, host }: HelmOptions): { storageClass: string; host: string } {
  if (!storageClass) {
    throw new TuneError(
      '--format helm needs --storage-class: all pods share one volume of uploads, and several nodes can seldom mount ' +
        'volumes of the default class',
      EXIT.usage,
      ['kubectl get storageclass, and choose one with ReadWriteMany: NFS, CephFS, EFS, Azure Files, …'],
    );
  }
  if (!SUBDOMAIN.test(storageClass)) throw malformed('--storage-class', storageClass);
  if (!host) {
    throw new TuneError('--format helm needs --host: the name that browsers use', EXIT.usage, [
      '--host chat.example.com',
    ]);
  }
  if (!SUBDOMAIN.test(host)) throw malformed('--host', host);
  return { storageClass, host };
}

function malformed(flag: string, value: string): TuneError {
  return new TuneError(
    `${flag} ${JSON.stringify(value)} is not a name that Kubernetes accepts: lower-case letters, digits, "-" and "."`,
    EXIT.usage,
  );
}
