import { EXIT, TuneError } from '../../base/errors.ts';

/** Options for the Helm values only, beside those of the pods (plan/pods.ts). */
export interface HelmOptions {
  /** Storage class whose volumes several nodes can mount at once (ReadWriteMany). */
  storageClass?: string;
  /** Name that browsers use. */
  host?: string;
  /** Image that brings Node, PM2 and the runtime to the pods of several workers; undefined: npm's registry does. */
  toolsImage?: string;
}

/** An image as Kubernetes names it: a registry and a path, then a tag or a digest (distribution/reference, shortened). */
const IMAGE = /^[a-z0-9][a-z0-9._/:-]*[a-z0-9](?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/i;

/** Names of Kubernetes objects and of hosts (RFC 1123, DNS subdomain). */
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Options that are well-formed. */
export interface CheckedOptions {
  storageClass: string;
  host: string;
  toolsImage?: string;
}

/** Checks that the required options are given and well-formed. Throws TuneError. */
export function requireOptions({ storageClass, host, toolsImage }: HelmOptions): CheckedOptions {
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
  if (toolsImage !== undefined && !IMAGE.test(toolsImage)) {
    throw new TuneError(
      `--tools-image ${JSON.stringify(toolsImage)} is not the name of an image`,
      EXIT.usage,
      ['--tools-image registry.example.com/webui-tune:0.1.0'],
    );
  }
  return { storageClass, host, ...(toolsImage !== undefined && { toolsImage }) };
}

function malformed(flag: string, value: string): TuneError {
  return new TuneError(
    `${flag} ${JSON.stringify(value)} is not a name that Kubernetes accepts: lower-case letters, digits, "-" and "."`,
    EXIT.usage,
  );
}
