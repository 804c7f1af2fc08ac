import { encodePng } from 'atrous-cam';

globalThis.answer = encodePng; // the only thing that is imported
