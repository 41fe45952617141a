/** Text of a systemd unit: systemd.syntax(7), systemd.service(5) "COMMAND LINES", systemd.unit(5) "SPECIFIERS". */

/** A setting; its comment is printed above it. */
export interface Line {
  key: string;
  value: string;
  comment?: string;
}

export interface Section {
  name: string;
  lines: readonly Line[];
}

export interface Unit {
  /** File name. */
  name: string;
  /** Comment at the top. */
  about: readonly string[];
  sections: readonly Section[];
}

export function renderUnit({ about, sections }: Unit): string {
  const comments = about.map((line) => `# ${line}`.trimEnd()).join('\n');
  return `${comments}\n${sections.map(renderSection).join('')}`;
}

function renderSection({ name, lines }: Section): string {
  const text = lines.map(({ key, value, comment }) => `${comment ? `# ${comment}\n` : ''}${key}=${value}\n`);
  return `\n[${name}]\n${text.join('')}`;
}

/** A variable for the service, with any value. Specifiers and quotes are escaped; a dollar is not special here. */
export function environmentLine(name: string, value: string): Line {
  return { key: 'Environment', value: quote(`${name}=${value}`) };
}

/** One word of a command line, where a dollar would begin a variable. */
export function commandWord(word: string): string {
  const escaped = word.replaceAll('$', '$$$$');
  return /^[\w@%+=:,./-]+$/.test(escaped) && !escaped.includes('%') ? escaped : quote(escaped);
}

/** A path where a list of them is expected. */
export function pathWord(path: string): string {
  return /^[\w@+=:,./-]+$/.test(path) ? path : quote(path);
}

function quote(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replace(/\p{Cc}/gu, escapeControl);
  return `"${escaped}"`;
}

/** Escapes control characters of one byte; those of two bytes in UTF-8 cannot break a line. */
function escapeControl(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : character;
}
