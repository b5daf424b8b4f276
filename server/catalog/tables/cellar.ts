/** Table of migration 0008. */
interface CellarStateTable {
  name: string;
  /** JSON object. */
  value: string;
  changed_at: number;
}

export interface CellarTables {
  cellar_state: CellarStateTable;
}
