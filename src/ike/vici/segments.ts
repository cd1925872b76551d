import { ViciError } from "./error.ts";
import { longestSegment } from "./packet.ts";

/** Cuts a stream into segments, however the chunks fall. Holds no more than one segment and one chunk. */
export class Segments {
  #chunks: Buffer[] = [];
  #have = 0;

  /** The segments that are complete now. @throws ViciError MALFORMED; after that nothing can be read any more */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    const complete: Buffer[] = [];
    for (let length = this.#length(); length !== undefined && this.#have >= 4 + length; length = this.#length()) {
      const whole = this.#join();
      complete.push(whole.subarray(4, 4 + length));
      this.#chunks = [whole.subarray(4 + length)];
      this.#have -= 4 + length;
    }
    return complete;
  }

  #length(): number | undefined {
    if (this.#have < 4) return undefined;
    const first = this.#chunks[0] as Buffer;
    const length = (first.length >= 4 ? first : this.#join()).readUInt32BE();
    if (length > 0 && length <= longestSegment) return length;
    const expected = `a segment of 1 to ${longestSegment} octets`;
    throw new ViciError("MALFORMED", `Cannot read segment: expected ${expected}, got ${length}`);
  }

  #join(): Buffer {
    const whole = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }
}
