import 'atrous-cam/worker-host';
