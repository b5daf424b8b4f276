/** Table of migration 0009. */
interface PageRefreshTable {
  name: string;
  repository: string;
  holder: string;
  held_until: number;
}

export interface PageRefreshTables {
  page_refresh: PageRefreshTable;
}
