import type { Marker } from '../../server/model/marker.ts';
import type { Requirement } from '../../server/model/requirement.ts';

/** The requirement as text, in the form that PEP 508 shows. */
export function renderRequirement(requirement: Requirement): string {
  const extras = requirement.extras.length === 0 ? '' : `[${requirement.extras.join(',')}]`;
  const specifier = requirement.specifier.map((clause) => clause.operator + clause.version).join(',');
  const details = requirement.url === undefined ? specifier : ` @ ${requirement.url}`;
  const gap = requirement.url === undefined ? '' : ' ';
  const marker = requirement.marker === undefined ? '' : `${gap}; ${requirement.marker}`;
  return requirement.name + extras + details + marker;
}

/** The marker as text: one blank around operators, double quotes, brackets where they are needed. */
export function renderMarker(marker: Marker): string {
  if (marker.kind === 'compare')
    return `${renderOperand(marker.left)} ${marker.operator} ${renderOperand(marker.right)}`;
  const parts = marker.parts.map((part) =>
    marker.kind === 'and' && part.kind === 'or' ? `(${renderMarker(part)})` : renderMarker(part),
  );
  return parts.join(` ${marker.kind} `);
}

function renderOperand(operand: Extract<Marker, { kind: 'compare' }>['left']): string {
  if (operand.kind === 'variable') return operand.name;
  return operand.text.includes('"') ? `'${operand.text}'` : `"${operand.text}"`;
}
