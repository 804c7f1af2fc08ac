/** Class and number, codes of each length from 1 to 16, and values of the tables that ITU-T T.81 gives as typical (annex K.3), in hexadecimal. */
const TABLES = [
  // luminance, DC
  '0000010501010101010100000000000000000102030405060708090a0b',
  // luminance, AC
  '100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f024' +
    '33627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a7374' +
    '75767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9ca' +
    'd2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
  // chrominance, DC
  '0100030101010101010101010000000000000102030405060708090a0b',
  // chrominance, AC
  '1100020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f015' +
    '6272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a73' +
    '7475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8' +
    'c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa',
];

/** A segment with the typical Huffman tables, which frames of webcams and AVI files take for granted. */
export function standardTables(): Uint8Array {
  const bytes = TABLES.join('')
    .match(/../g)!
    .map((byte) => Number.parseInt(byte, 16));
  const length = 2 + bytes.length;
  return Uint8Array.from([0xff, 0xc4, length >> 8, length & 255, ...bytes]);
}

/** Adobe's marker of a file with four inks that are not transformed. */
export const adobeCmyk = (): Uint8Array =>
  Uint8Array.from([0xff, 0xee, 0, 14, ...[...'Adobe'].map((char) => char.charCodeAt(0)), 0, 100, 0, 0, 0, 0, 0]);
