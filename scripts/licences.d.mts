export function licencesOf(metafiles: readonly { inputs: Record<string, object> }[]): string;
