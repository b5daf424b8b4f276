const SPECIAL = /[&<>"'\n\r\t\0]/g;
const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  // Some clients read pages line by line.
  '\n': '&#10;',
  '\r': '&#13;',
  '\t': '&#9;',
  '\0': '\ufffd',
};

/** `text` for use in HTML text and in quoted attributes; on one line. */
export function escapeHtml(text: string): string {
  return text.replace(SPECIAL, (char) => ENTITIES[char] ?? char);
}
