import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How long a client may send nothing of what it has announced, milliseconds. Of one that takes nothing of what it is sent Node tells a
 * period later: at the first it sees that something was taken in the one before.
 */
export const IDLE_MS = 120_000;

/**
 * A listener for `timeout` of a server whose `timeout` is `IDLE_MS`: ends connections on which nothing moves, unless it is the client that
 * waits for us. So a body that does not come, and an answer that is not read, hold memory and descriptors for a while only.
 * `answersOn`: the answers under way on a connection.
 */
export function endIdle(answersOn: (socket: Socket) => readonly ServerResponse[]): (socket: Socket) => void {
  return (socket) => {
    const answers = answersOn(socket);
    const waitsForUs = answers.length > 0 && answers.every(({ req }) => req.complete) && socket.writableLength === 0;
    if (!waitsForUs) socket.destroy();
  };
}
