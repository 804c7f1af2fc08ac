import { deflateRawSync } from 'node:zlib';

export interface ZipMember {
  name: string;
  data: Uint8Array;
  /** Compress it. */
  deflate?: boolean;
  /** Lies about the size that it unpacks to. */
  size?: number;
}

/** The bytes of a zip archive, plain and small: sizes stand in the headers, nothing is encrypted, checksums are zero. */
export function zipFile(members: readonly ZipMember[], comment = ''): Uint8Array {
  const local: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data, deflate, size = data.length } of members) {
    const stored = deflate ? deflateRawSync(data) : Buffer.from(data);
    const title = Buffer.from(name);
    const about = Buffer.alloc(22); // flags, method, time, date, CRC-32, stored, size, name, extra
    about.writeUInt16LE(deflate ? 8 : 0, 2);
    about.writeUInt32LE(stored.length, 12);
    about.writeUInt32LE(size, 16);
    about.writeUInt16LE(title.length, 20);
    const header = Buffer.concat([Buffer.from('PK\x03\x04\x14\x00'), about, Buffer.alloc(2), title]);
    local.push(header, stored);
    const rest = Buffer.alloc(14); // comment, disk, attributes, offset
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00\x14\x00'), about, Buffer.alloc(2), rest, title);
    offset += header.length + stored.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...local, entries, end, Buffer.from(comment)]);
}

/** The members of an archive whose members are all stored, to be changed and written again. */
export function zipMembers(archive: Buffer): ZipMember[] {
  const members: ZipMember[] = [];
  const end = archive.lastIndexOf('PK\x05\x06');
  let at = archive.readUInt32LE(end + 16);
  for (let i = 0; i < archive.readUInt16LE(end + 10); i++) {
    const [nameSize, extraSize, commentSize] = [28, 30, 32].map((field) => archive.readUInt16LE(at + field));
    const header = archive.readUInt32LE(at + 42);
    const begin = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
    const name = archive.toString('utf8', at + 46, at + 46 + nameSize);
    members.push({ name, data: archive.subarray(begin, begin + archive.readUInt32LE(at + 20)) });
    at += 46 + nameSize + extraSize + commentSize;
  }
  return members;
}
