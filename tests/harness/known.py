def chains():
    return []
