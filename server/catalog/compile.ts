import { createQueryId, type OperationNodeSource, type QueryCompiler, type RootOperationNode } from 'kysely';
import { Placeholder, type Query } from './catalog.ts';

/** A statement in a database's own words. */
export interface Compiled {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** False when it can only read. */
  readonly writes: boolean;
}

/** Turns what scripts yield into SQL of one dialect. Statements made by `prepared` are compiled once. */
export class ScriptCompiler {
  readonly #compiler: QueryCompiler;
  readonly #kept = new WeakMap<OperationNodeSource, Compiled>();
  readonly #queryId = createQueryId();

  constructor(compiler: QueryCompiler) {
    this.#compiler = compiler;
  }

  /** Throws `TypeError` for a number that is no integer: there are no other columns, and only some engines would say so. */
  compile(query: Query): Compiled {
    const compiled = this.#bind(query);
    for (const parameter of compiled.parameters) {
      if (typeof parameter === 'number' && !Number.isSafeInteger(parameter)) {
        throw new TypeError(`${parameter} is not an integer: ${compiled.sql}`);
      }
    }
    return compiled;
  }

  #bind({ statement, values }: Query): Compiled {
    if (values === undefined) return this.#compile(statement);
    let kept = this.#kept.get(statement);
    if (kept === undefined) {
      kept = this.#compile(statement);
      this.#kept.set(statement, kept);
    }
    const parameters = kept.parameters.map((parameter) => {
      if (!(parameter instanceof Placeholder)) return parameter;
      const value = values[parameter.name];
      if (value === undefined) throw new TypeError(`a prepared statement was run without ${parameter.name}`);
      return value;
    });
    return { sql: kept.sql, parameters, writes: kept.writes };
  }

  #compile(statement: OperationNodeSource): Compiled {
    // The builders' trees are roots; their common interface only says "node".
    const node = statement.toOperationNode() as RootOperationNode;
    const { sql, parameters } = this.#compiler.compileQuery(node, this.#queryId);
    return { sql, parameters, writes: node.kind !== 'SelectQueryNode' };
  }
}
