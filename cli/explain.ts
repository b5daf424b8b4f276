import { Command } from 'commander';
import { Client, type ServerOptions, withServer } from './client.ts';
import { plain, print, printJson } from './print.ts';

interface Explanation {
  readonly index: string;
  readonly project: string;
  readonly visible: boolean;
  readonly because: readonly string[];
  readonly files?: readonly { readonly filename: string; readonly uploadTime?: string }[];
}

interface ExplainOptions extends ServerOptions {
  readonly index?: string;
  readonly release?: string;
  readonly file?: string;
  readonly json?: true;
}

const MOST_FILES = 50;

/** `stormcellar explain PROJECT`: why a project, version or file is, or is not, visible. */
export function explainCommand(): Command {
  return withServer(new Command('explain'))
    .description('Tell why a project, a version or a file is, or is not, visible in an index.')
    .argument('<project>', 'its name, in any spelling')
    .option('--index <name>', 'the index (default: the default index)')
    .option('--release <version>', 'this version of it')
    .option('--file <name>', 'this file of it')
    .option('--json', 'print as JSON')
    .action(async (project: string, options: ExplainOptions) => {
      const { index, release: version, file: filename } = options;
      const query = { project, index, version, filename };
      const answer = await new Client(options).json<Explanation>('/admin/explain', { query });
      if (options.json) return printJson(answer);
      print(`${plain(answer.project)} is ${answer.visible ? '' : 'not '}visible in the index ${plain(answer.index)}:`);
      for (const reason of answer.because) print(`- ${plain(reason)}`);
      const { files = [] } = answer;
      for (const { filename: name, uploadTime } of files.slice(0, MOST_FILES)) {
        print(`  ${plain(name)}${uploadTime === undefined ? '' : `  ${plain(uploadTime)}`}`);
      }
      if (files.length > MOST_FILES) print(`  and ${files.length - MOST_FILES} more`);
    });
}
