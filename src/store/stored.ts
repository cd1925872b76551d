import type { IKeyValue } from "etcd3";
import type { Revision } from "../model/revision.ts";
import { keyText } from "./key-range.ts";

/** A key as it stands. */
export interface Stored {
  /** Without the installation's prefix. */
  key: string;
  value: Buffer;
  /** Of the last write. */
  revision: Revision;
  /** Of the write that created it. */
  created: Revision;
  /** The lease it lives under; `0` for none. */
  lease: string;
}

/** @param skip bytes of the installation's prefix */
export function stored(kv: IKeyValue, skip: number): Stored {
  return {
    key: keyText(kv.key, skip),
    value: kv.value,
    revision: kv.mod_revision as Revision,
    created: kv.create_revision as Revision,
    lease: kv.lease,
  };
}
