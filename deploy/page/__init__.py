"""The build of the web page: from its source in web/ to the files in wms/page that the gateway serves."""
